"""Memory is bounded, and nobody starves."""

import asyncio

from cvops_ingest.budget import ByteBudget


async def test_who_finds_no_room_waits_until_it_is_given_back_in_order_of_coming():
    budget, order = ByteBudget(100), list[str]()

    async def hold(name: str, size: int) -> None:
        await budget.acquire(size)
        order.append(name)

    await hold("first", 80)
    waiting = [asyncio.create_task(hold("large", 60)), asyncio.create_task(hold("small", 10))]
    await asyncio.sleep(0)
    assert order == ["first"]  # the small one would fit, and would let the large one wait for ever
    budget.release(80)
    await asyncio.gather(*waiting)
    assert order == ["first", "large", "small"]
    assert budget.held == 70


async def test_more_than_the_whole_budget_is_let_in_alone():
    budget = ByteBudget(100)
    await budget.acquire(500)
    other = asyncio.create_task(budget.acquire(1))
    await asyncio.sleep(0)
    assert not other.done()
    budget.release(500)
    await other
    assert budget.held == 1


async def test_who_gives_up_waiting_takes_no_room():
    budget = ByteBudget(10)
    await budget.acquire(10)
    gone, next_ = asyncio.create_task(budget.acquire(5)), asyncio.create_task(budget.acquire(10))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    budget.release(10)
    await next_
    assert budget.held == 10
