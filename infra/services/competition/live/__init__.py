"""The live round: months that nobody knows yet are forecast, sealed, observed and then scored.

A forecast is read by the checker (`reading`), sealed by the scorer (`submitting`, `sealing`) and
kept in the board's table (`store`). What an admin observes (`observing`) makes the board
(`scoring`, `board`, `page`), which `publishing` writes. All but store and publishing is pure, of
the standard library alone: the board goes on from plain files when the cohort is gone.
"""
