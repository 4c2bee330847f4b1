"""`python -m topicidx` is the command line."""

from topicidx.cli.app import program

if __name__ == "__main__":
    program()
