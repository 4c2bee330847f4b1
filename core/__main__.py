"""`python -m topicidx` is the command line."""

from topicidx.cli.app import main

if __name__ == "__main__":
    main()
