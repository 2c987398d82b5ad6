/** Where a convolution's windows lie; sizes come from the tensors. Attributes of every `conv2d` primitive. */
export interface WindowPlace {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
}
