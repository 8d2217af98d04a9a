/** How many times slower than usual this machine is: set in the virtual machine of scripts/vm-test, where every instruction is emulated. */
export const SLOWNESS = Number(process.env['GANTRY_TEST_SLOWNESS'] ?? '1');
