// Tests are compiled with the rest (npm run build); jest runs what is in build/.
const project = (name) => ({
  displayName: name,
  roots: ['<rootDir>/build/test'],
  testMatch: [`<rootDir>/build/test/${name}/**/*.test.js`],
  testEnvironment: 'node',
  transform: {},
});

export default { projects: ['unit', 'api', 'e2e', 'crash', 'vm'].map(project) };
