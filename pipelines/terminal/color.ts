import colors from 'picocolors';

/** Colours for people at a terminal; FORCE_COLOR and NO_COLOR decide where they are set. A pipe gets plain text, CI's too. */
const wanted = process.env.FORCE_COLOR ? process.env.FORCE_COLOR !== '0' : process.stdout.isTTY === true && process.env.TERM !== 'dumb';
export const color = colors.createColors(wanted && !process.env.NO_COLOR);
