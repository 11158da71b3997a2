"""What the second side does beyond the work of a kernel, for real: shares of it by candidate."""

MORE = {"same": 0.0, "two": 0.02, "five": 0.05}
