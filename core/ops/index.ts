/** Importing this file registers every op: one line each. */
import './adaptiveAvgPool2d.ts';
import './add.ts';
import './avgPool2d.ts';
import './batchNorm2d/op.ts';
import './concat.ts';
import './conv2d/op.ts';
import './dropout.ts';
import './flatten.ts';
import './linear.ts';
import './localResponseNorm.ts';
import './maxPool2d.ts';
import './notFinite.ts';
import './padChannels.ts';
import './relu.ts';
import './softmax.ts';
import './toFloat.ts';
import './toFloatAdjusted.ts';
import './toFloatEdited.ts';

export * from './registry.ts';
