"""``python -m visionlora COMMAND`` is the console command."""

from visionlora.cli import main

main()
