/** Files like ImageNet's, small. */

/** A `meta.mat` of five synsets (three leaves, dog and carnivore above them) as SciPy 1.10 saves it, compressed; and three more variables. */
export const devkitMeta = Buffer.from(
  [
    'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFN1biBOb3YgMjIgMTE6MjA6MTEgMjAyNgAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAEgIAAHic7VbBahsxEJUdN3EImORW6EUf4MCu29T2qYa0kEApIabp0VG8410RrbaV',
    'tEl9y7G3XvqTvfUTOrLXibKYblgZemhnGbQz8N6sNM9jdQghd3uEbOPaRm+SpT0rYrs2Ct9B13OpwWjMt8hBkf+Gfvp+fHF+3AvC3uT0rSX49GG53tttpiLt',
    'JmKR6UcJmaeTacJFpEAuEo+CFYcEM0mAx4kpIEYxLic8ZTFo0sHkgDzsZ7u0n4bj1naL/NJ+vbH4kYNvrcHvOvj9IpZBLwyH/cGwyFuekwqe5yUeG19zQ2fZ',
    '1y69yMVn0DRlU5UZri3fZQVft8RnY50yIWisYG5paTajOstNcgvagJL0o+QGIjo2zIBefXf981vigz/gV+biN1W3Nv7sx8iz/shHN0HQf3nk7KOKp1PisfE7',
    'GQuuE4o/Tmzs03j2SzzWmaQrqisFEP3XQ536bS89hEE48NXDmF+B4tjNJNfX86fNo4MSj40XIliMDYFrlMWbOF/yj+ri5LuPLoLBq6AfOvuo00/sYBfbmOL8',
    '59NSP88q+F6U+GzMaAopSs1KxCRAY5C5psdMcu1/3sVcdXWytwbfdPAtfJpkayN1/57O/HTSP+oNXzvfUYdnypTkN5kCh+eygmfd/YNR/DtSqDYcRoJmirIv',
    'ObPSmwnQySHgu4zxlpPiPcX73Grq5edWw7Nu21svvwGHMqB6DwAAACkAAAB4nONjYGAwAGI2IOYAYhYGCGCF8pmgmBEoU5JaUSIApBOTk1IAKUADyg8AAAA4',
    'AAAAeJzjY2BgSABiNiDmgNIgwArlMwExMxAzAsmkzHQGTiDbgAEdcDhA6A/2EFoAymeA0iIOALsmBF8PAAAARQAAAHic42NgYFgBxGxAzAHEjAwQwIrEZ4LS',
    'ILHk1JycYiDNB8QWSPrYsOhjRDKPEyoOAT/sQfoNkPSzENAvAGRVAGkAI5oFig==',
  ].join(''),
  'base64',
);
