"""People Data Labs. Contract: docs.peopledatalabs.com, v5.

Not proven against the live service, and assumed here: both searches share one limit of 10 calls a minute; a company
search takes `data_include` too; an answer that finds nothing carries the credit headers; regions have English names.
"""

from lead_mining.providers.people_data_labs.adapter import PeopleDataLabs

__all__ = ["PeopleDataLabs"]
