"""The `streamlanes` command. The libraries are `producers`, `transports`, `clients` and `benchmarks`."""
