"""Leads of Acme, a company that there is not: all that a package needs to sell through lead mining."""

from collections.abc import Sequence

from lead_mining.exceptions import MalformedAnswer
from lead_mining.providers.base import Company, Exclusions, JsonObject, Misfit, Page, Preview, Provider, Query, Rate
from lead_mining.providers.connections.base import ConnectionValues, ProviderType


class Acme(Provider):
    """Sells companies by country and size, a credit each; no contacts."""

    name = "acme"
    page_size = 100
    excludes_known = False
    charges = True
    answer_within = 300.0
    calls_at_once = 1
    rates = {"all": (Rate(60, 60),)}

    def __init__(self, base_url: str, token: str) -> None:
        from lead_mining.providers.transport import check_base_url, new_client

        self._url, self._token, self._client = check_base_url(base_url), token, new_client()

    def misfits(self, query: Query) -> Sequence[Misfit]:
        asked = [("states", state) for state in query.states] + [("industries", name) for name in query.industries]
        if query.contact_number:
            asked.append(("search_type", "people"))
        return [Misfit(field, value, "Acme has no such data: leave it out") for field, value in asked]

    def balance(self, fresh: bool = True) -> int | None:
        return self._ask("account", "credits", int)["credits"]

    def check(self) -> str:
        return f"Acme knows the account; it has {self.balance()} credits"

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        return Preview(count=self._ask("count", "count", int, _filter(query))["count"], records=[])

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        asked = _filter(query) | {"limit": limit, "after": cursor}
        answer = self._ask("companies", "companies", list, asked)
        return Page(answer, answer["companies"], charged=len(answer["companies"]), next_cursor=answer.get("next"))

    def parse(self, record: JsonObject) -> Company:
        from lead_mining.providers.reading import RecordReader

        reader = RecordReader(record)
        fields = {"reveal_id": "id", "name": "name", "city": "town", "country_code": "country"}
        company = {field: reader.text(key) for field, key in fields.items()}
        company |= {"domain": reader.domain("web"), "employees": reader.whole("staff")}
        reader.check()
        return Company(**company)

    def _ask(self, what: str, key: str, kind: type, asked: JsonObject | None = None) -> JsonObject:
        from lead_mining.providers.transport import call_json

        answer = call_json(
            self._client, "POST", f"{self._url}/{what}", secret=self._token, gate=self.gate, bucket="all",
            headers={"Authorization": f"Bearer {self._token}"}, json=asked or {},
        ).body  # fmt: skip
        if not isinstance(answer, dict) or not isinstance(answer.get(key), kind):
            raise MalformedAnswer(f"the answer of Acme to {what} has no {key}")
        return answer


def _filter(query: Query) -> JsonObject:
    return {"countries": query.countries, "from": query.company_size_min, "to": query.company_size_max}


def _make(connection: ConnectionValues) -> Acme:
    if not connection.host or not connection.password:
        raise connection.wrong("it needs Acme's address as host, and a token as password")
    return Acme(connection.base_url, connection.password)


PROVIDER = ProviderType(_make, {"hook-name": "Acme leads (paid)"}, lambda connection: f"acme://{connection.host}/leads")
