# SPDX-License-Identifier: MIT
"""Run as a program by a test."""
import sys


def main():
    if len(sys.argv) > 1:
        print("with arguments")
    else:
        print("without")


if __name__ == "__main__":
    main()
