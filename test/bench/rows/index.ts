import type { Row } from '../row.js';
import { archiveRow } from './archive.js';
import { buildRows } from './build.js';
import { composeRows } from './compose.js';
import { crowdRow } from './crowd.js';
import { execRow } from './exec.js';
import { lifeRows } from './life.js';
import { listRow } from './list.js';
import { logRows } from './logs.js';
import { lookUpRows } from './look-up.js';
import { memoryRows } from './memory.js';
import { restartRow } from './restart.js';
import { throughputRows } from './throughput.js';
import { transferRows } from './transfer.js';

/** In the order of measurement: memory first, before the other rows have warmed anything. */
export const rows: readonly Row[] = [
  ...memoryRows,
  ...lifeRows,
  execRow,
  ...logRows,
  archiveRow,
  ...transferRows,
  ...buildRows,
  ...composeRows,
  ...throughputRows,
  crowdRow,
  ...lookUpRows,
  listRow,
  restartRow,
];
