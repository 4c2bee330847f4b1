"""`python -m topicidx` is the command line."""

from topicidx.cli.program import program

if __name__ == "__main__":
    program()
