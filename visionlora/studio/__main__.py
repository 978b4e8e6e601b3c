"""``python -m visionlora.studio`` is ``visionlora studio``."""

from visionlora.studio import main

if __name__ == "__main__":
    main()
