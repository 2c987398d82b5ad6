#!/usr/bin/env node
import { run } from './commandLine.ts';

process.exitCode = await run(process.argv.slice(2));
// what still holds the process after a command was closed badly: it must not keep a shell waiting
setTimeout(() => process.exit(), 3000).unref();
