"""Which companies and people Apollo's filters find. All filters must fit; of a list, one."""

from __future__ import annotations

from provider_simulator.apollo_models import CompanySearch, PeopleSearch
from provider_simulator.apollo_records import Card, Cards, PersonPlace, plain, seniority_of


def companies_found(cards: Cards, search: CompanySearch) -> list[int]:
    """Places of the companies."""
    locations = {plain(text) for text in search.organization_locations}
    tags = {tag.strip().casefold() for tag in search.q_organization_keyword_tags}
    domains = {domain.strip().casefold() for domain in search.q_organization_domains_list}
    ranges = [_range(text) for text in search.organization_num_employees_ranges]

    def fits(card: Card) -> bool:
        return (
            (not locations or not locations.isdisjoint(card.locations))
            and (not tags or not tags.isdisjoint(card.keywords))
            and (not domains or card.domain in domains)
            and (not ranges or any(card.employees in sizes for sizes in ranges if card.employees is not None))
        )

    if search.organization_ids:
        places = [cards.place_of_id[one] for one in dict.fromkeys(search.organization_ids) if one in cards.place_of_id]
    else:
        places = list(range(len(cards.cards)))
    return [place for place in places if fits(cards.cards[place])]


def people_found(cards: Cards, search: PeopleSearch) -> list[PersonPlace]:
    """Places of the people."""
    asked = [title.casefold().split() for title in search.person_titles]

    def fits(title: str, seniority: str) -> bool:
        words = title.casefold().split()
        if search.include_similar_titles:
            by_title = any(set(wanted) <= set(words) for wanted in asked)
        else:
            by_title = words in asked
        return (not asked or by_title) and (not search.person_seniorities or seniority in search.person_seniorities)

    return [
        (place, index)
        for place in companies_found(cards, search)
        for index, contact in enumerate(cards.cards[place].contacts)
        if fits(contact["title"], seniority_of(contact))
    ]


def _range(text: str) -> range:
    """Of "11,50"; "10001," has no end."""
    low, _, high = text.partition(",")
    return range(int(low), (int(high) if high else 2**31) + 1)
