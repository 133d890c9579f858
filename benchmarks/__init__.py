"""Speed and memory against what the library replaces: ratios measured in one run.

    python -m benchmarks                  every comparison; prints the table and records it for the book
    python -m benchmarks memory grid      only these; prints the table
    python -m benchmarks --full           the script's protocol with all its steps, not a tenth of them

Two sides of a comparison take turns, A B A B, in one process; medians are compared, and both are shown.  Compile
times and peak memory are those of fresh processes.  No test asserts a time.
"""
