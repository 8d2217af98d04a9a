import type { VolumeRecord } from '../store/volumes.js';
import type { Volumes } from './volumes.js';

/** A volume as the API shows it. */
export function describeVolume(volumes: Volumes, record: VolumeRecord): Record<string, unknown> {
  return {
    // Docker tells it in seconds.
    CreatedAt: record.created.replace(/\.\d+/, ''),
    Driver: 'local',
    Labels: record.labels,
    Mountpoint: volumes.mountpoint(record.name),
    Name: record.name,
    Options: record.options,
    Scope: 'local',
  };
}
