import type { MeterSet } from '../meter.ts';
import { SubscriptionScope } from '../subscriptionScope.ts';

/** What `profile` wants to know of the pipeline that it subscribes to: the meters of its first source. */
export interface ProfileScope {
  meters: MeterSet | undefined;
}
export const profileScope = new SubscriptionScope<ProfileScope>();
