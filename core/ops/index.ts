/** Importing this file registers every op: one line each. */
import './add.ts';
import './adaptiveAvgPool2d.ts';
import './avgPool2d.ts';
import './concat.ts';
import './conv2d/op.ts';
import './flatten.ts';
import './linear.ts';
import './maxPool2d.ts';
import './padChannels.ts';

export * from './registry.ts';
