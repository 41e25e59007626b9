"""The command line: `cli` has the verbs, each a module of its own; on top of everything, and imported by nothing."""
