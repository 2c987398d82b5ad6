/** JPEGs that sharp cannot write. */

/**
 * CMYK, 16 × 8, made by Pillow 9.4: `Image.fromarray(np.stack([x * 16, y * 32, (x + y) * 11, x * 8], -1), 'CMYK').save(quality=85,
 * subsampling=0, optimize=True)`. sharp writes CMYK from colours alone.
 */
export const cmyk = Buffer.from(
  [
    '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAFAwQEBAMFBAQEBQUFBgcMCAcHBwcPCwsJDBEPEhIRDxERExYcFxMUGhURERghGBodHR8fHxMXIiQiHiQcHh8e',
    '/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABcAAAMBAAAAAAAAAAAAAAAAAAAHCAX/xAAgEAABAgUFAAAAAAAAAAAAAAAABgcYIzNBQkNRZIGi/9oADgRDAE0A',
    'WQBLAAA/AHk8Ot2bESXP9jQcNZVJu9ynljmRk8Ot2ESXP9k5OGsqk3e4mVjmf//Z',
  ].join(''),
  'base64',
);
/** The same inks read as YCCK: the second but last byte of Adobe's block says which they are. */
export const ycck = Buffer.from(cmyk).fill(2, 17, 18);
/** Arithmetic coding, 16 × 8, by libjpeg-turbo 2.1: red x * 16, green y * 32, blue (x + y) * 11. sharp writes Huffman codes alone. */
export const arithmetic = Buffer.from(
  [
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAUDBAQEAwUEBAQFBQUGBwwIBwcHBw8LCwkMEQ8SEhEPERETFhwXExQaFRERGCEYGh0dHx8fExciJCIeJBwe',
    'Hx7/2wBDAQUFBQcGBw4ICA4eFBEUHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh7/yQARCAAIABADAREAAhEB',
    'AxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AJquYKkXHE/YJ1JZgItY06LEsii0NCEgHUd0kaiygVnzscmc3Q5EwP/Z',
  ].join(''),
  'base64',
);
