"""A run of any size: python -m tests.assurance.iam_agreement --requests 50000 --seed 3."""

from __future__ import annotations

import argparse
import sys

from tests.assurance.iam_agreement.agreement import Agreement

#: Differences that nobody has looked at are shown in full, up to this many.
SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    agreement = Agreement(given.seed)
    report = agreement.run(given.requests)
    print(f"{report.answered} requests, {report.agreement:.3f} % the same decision")
    for name, count in report.kinds().most_common():
        print(f"  differ {count:6d}  {name}")
    for name, count in report.refused.most_common():
        print(f"  left out {count:6d}  {name}")
    for name, count in report.mutations.most_common():
        print(f"  mutated {count:6d}  {name}")
    for key in report.one_sided(agreement.ours):
        print(f"  one-sided: {key}")
    unknown = [each for each in report.differences if each.kind is None]
    for each in unknown[:SHOWN]:
        print(f"\nours {each.ours}, theirs {each.theirs}\n{each.case}")
        for name in (each.case.about, each.case.resource_policy):
            if name is not None:
                print(f"  {name}: {agreement.documents[name].body}")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
