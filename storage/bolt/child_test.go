package bolt

// childEnv names the part that the test binary plays as a child process.
const childEnv = "HALLEY_STORAGE_CHILD"

var children = map[string]func(){}
