"""What the first side does beyond the work of a kernel: nothing."""

MORE = {"same": 0.0, "two": 0.0, "five": 0.0}
