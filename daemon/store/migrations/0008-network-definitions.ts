/**
 * What a network is beyond its name and driver becomes one JSON document: nothing inside it is queried. Leases stay as they
 * are; their addresses are text of either family.
 */
export const sql = `
ALTER TABLE networks ADD COLUMN definition TEXT NOT NULL DEFAULT '{}';
UPDATE networks SET definition = json_object(
  'enableIPv4', json('true'), 'enableIPv6', json('false'), 'internal', json('false'), 'attachable', json('false'),
  'configOnly', json('false'), 'configFrom', '', 'ipamOptions', NULL,
  'ipam', CASE subnet WHEN '' THEN json('[]')
          ELSE json_array(json_object('Subnet', subnet, 'Gateway', gateway)) END,
  'subnets', CASE subnet WHEN '' THEN json('[]')
             ELSE json_array(json_object('subnet', subnet, 'range', '', 'gateway', gateway, 'auxiliary', json('[]'))) END,
  'options', json('{}'), 'labels', json('{}'), 'link', '', 'ownsLink', json('false'), 'userSubnets', json('false'));
ALTER TABLE networks DROP COLUMN subnet;
ALTER TABLE networks DROP COLUMN gateway;
`;
