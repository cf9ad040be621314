"""Parallel sign-ins with real password hashing, in a process of their own so that they cost the poller no time.

    python -m bench.logins PORT ROUNDS USERNAME ...     the common password comes on standard input

Each round signs all the users in at once. Prints the milliseconds of each sign-in as JSON.
"""

import json
import sys
import threading
import time
from http.client import HTTPConnection


def main(port: int, rounds: int, usernames: list[str], password: str) -> int:
    """Sign everybody in ``rounds`` times and return the exit code."""
    barrier = threading.Barrier(len(usernames))
    times: list[float] = []
    failures: list[str] = []

    def sign_in(username: str) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"username": username, "password": password})
        for _ in range(rounds):
            barrier.wait()
            began = time.perf_counter()
            connection.request("POST", "/api/auth/token/", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            times.append((time.perf_counter() - began) * 1000)
            if response.status != 200:
                failures.append(f"{username}: {response.status} {content[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=sign_in, args=(username,), daemon=True) for username in usernames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))
    print("\n".join(failures), file=sys.stderr, end="")
    return 1 if failures or len(times) < rounds * len(usernames) else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:], sys.stdin.read()))
