import httpx
async def test_try(client: httpx.AsyncClient):
    for p in ("/health","/health/live","/health/ready","/api/v1/sessions","/metrics","/api/v1/openapi.json","/docs","/redoc", "/nope"):
        r = await client.get(p)
        print(p, r.status_code, r.text[:300], dict(r.headers))
    assert 0
