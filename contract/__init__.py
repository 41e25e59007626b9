"""What every lane promises, as tests, also for other packages' lanes: `pytest --pyargs streamlanes.contract`.

`test_lanes` has the promises, `conftest` the lanes that are found, `sources` producers of what wires could trip over,
`serving` a real server. Imports `producers`, `transports` and `clients`, pytest and pytest-asyncio.
"""
