import pytest, json
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.road import SECRET
from tests.redis_server import fresh_redis, redis_server
from tests.fleet import world
from tests.fleet.world import *
from proxy.letters import Other
async def test_it(fresh_redis, tmp_path, monkeypatch):
    async def nothing(self):
        for a, b in ((self.one, self.other),(self.other,self.one)):
            async def others(b=b): return (Other(ident(b), True),)
            a.rooms.letters.others = others
    monkeypatch.setattr(world.Two, "each_knows", nothing)
    async with StripeSandbox(secret=SECRET) as up, two(tmp_path, fresh_redis, up.url) as both:
        import time
        t=time.perf_counter()
        a = await both.one.admin("GET","/v1/status")
        print(time.perf_counter()-t)
        print(a.raw.decode()[:400])
        print(json.dumps(a.json, indent=1))
        a = await both.one.ask("POST", "/v1/customers", form={"email":"a@example.com"})
        print(a.status, a.body)
        for p in ("/v1/timeline?task=support/2026-11-21","/v1/suggestions","/v1/doubt","/v1/reviews","/v1/kill","/v1/spend"):
            a = await both.one.admin("GET",p)
            print(p, a.raw.decode())
