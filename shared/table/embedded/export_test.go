package embedded

// Datasync lets the benchmark's floor sync like the engine does.
var Datasync = datasync
