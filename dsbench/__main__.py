"""``python -m dsbench`` is ``dsbench``."""

from dsbench.cli import main

main(prog_name="dsbench")
