import { randomInt } from 'node:crypto';

const qualities =
  'able bold brave bright brisk calm clear clever cosy crisp deft eager early fair fine firm fleet fond fresh gentle glad golden grand hardy honest jolly keen kind lively loyal lucid mellow merry mild neat nimble noble patient plain proud quick quiet ready robust rosy sage sharp shy silent simple sleek smart snug sober solid sound spry steady still stout sturdy sunny swift tidy tough trim true warm wise witty'.split(
    ' ',
  );
const things =
  'anchor anvil barge beacon boom bow bracket bridge buoy cable capstan cargo chain cleat compass crane crate davit deck derrick dock ferry flag gantry girder hatch hawser helm hoist hook hull jetty jib keel ladder lantern latch lever lift lighter mast mooring oar pallet pier pilot pivot plank port prow pulley quay raft rail ramp rigging rivet rope rudder sail shackle sheave sling spar spool stay stern strut tackle tiller tow truss tug wharf winch yard'.split(
    ' ',
  );

/** A name for a container that was given none: two words, and a number when the words are taken. */
export function generateName(isFree: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const words = `${qualities[randomInt(qualities.length)]}_${things[randomInt(things.length)]}`;
    const name = attempt < 5 ? words : `${words}${randomInt(10 ** Math.min(attempt - 3, 9))}`;
    if (isFree(name)) return name;
  }
}
