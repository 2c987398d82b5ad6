/** The formats that sharp's prebuilt binaries read; not among them: bmp, ico, heic, psd. */
export const imageExtensions = ['jpg', 'jpeg', 'png', 'webp', 'gif', 'tif', 'tiff', 'avif'] as const;

const known: ReadonlySet<string> = new Set(imageExtensions);

/** True for an extension (without its dot, any case) that is an image for us. */
export function isImageExtension(extension: string): boolean {
  return known.has(extension.toLowerCase());
}

/** The last extension of a file name without its dot, lower case; '' if there is none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot <= name.lastIndexOf('/') + 1 ? '' : name.slice(dot + 1).toLowerCase();
}
