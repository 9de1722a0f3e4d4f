"""What a user did wrong, said in one sentence each."""


class InputError(Exception):
    """Bad input: what was expected, what came, the fix. The command line exits with status 2."""


def expect(holds: bool, expected: str, got: object, fix: str = "") -> None:
    """Raises `InputError` unless the condition holds."""
    if not holds:
        raise InputError(f"Expected {expected}; got {got}. {fix}".rstrip())
