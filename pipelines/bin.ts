#!/usr/bin/env node
import v8 from 'node:v8';
import { run } from './commandLine.ts';

// Samples live long enough to be moved to V8's old space, where by default garbage may grow to twice what is alive before
// it is collected. Collected a tenth above it, memory stays level over a run; collecting more often costs a little time.
v8.setFlagsFromString('--heap-growing-percent=10');

process.exitCode = await run(process.argv.slice(2));
// what still holds the process after a command was closed badly: it must not keep a shell waiting
setTimeout(() => process.exit(), 3000).unref();
