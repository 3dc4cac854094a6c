"""Followers of loaded leads (`mail_followers`) and what they follow, as Odoo 17 sets them when leads are made."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection

from lead_mining.crm.context import CrmContext


def add_followers(conn: Connection, context: CrmContext, lead_ids: Sequence[int]) -> None:
    """The acting user on all leads; then, lead by lead, the followers of the team and the salesperson.

    The acting user and the salesperson follow what is followed by default. Who follows the team follows what the team's
    subtypes stand for on leads, and no default; only the acting user gets both. Archived people follow nothing.
    Every lead gets the same followers. The caller owns the transaction.
    """
    if not lead_ids:
        return
    default = _default_subtypes(conn)
    of_team = _team_followers(conn, context.team_id)
    followers = {context.acting_partner_id: default | of_team.pop(context.acting_partner_id, set())} | of_team
    salesperson = _active_partner(conn, context.salesperson_id)
    if salesperson is not None:
        followers.setdefault(salesperson, default)
    _insert(conn, followers, lead_ids)


def _default_subtypes(conn: Connection) -> set[int]:
    rows = conn.execute(
        """SELECT id FROM mail_message_subtype WHERE "default" AND coalesce(res_model, 'crm.lead') = 'crm.lead'"""
    )
    return {row[0] for row in rows}


def _team_followers(conn: Connection, team_id: int | None) -> dict[int, set[int]]:
    """Partner to the subtypes that it follows on the team's leads: parents of the team's own, and the generic ones.

    Internal subtypes are not for partners without an internal user.
    """
    rows = conn.execute(
        """
        SELECT f.partner_id, coalesce(array_agg(on_lead.id) FILTER (WHERE on_lead.id IS NOT NULL), '{}')
        FROM mail_followers f
        JOIN res_partner p ON p.id = f.partner_id AND p.active
        LEFT JOIN mail_followers_mail_message_subtype_rel r ON r.mail_followers_id = f.id
        LEFT JOIN mail_message_subtype own ON own.id = r.mail_message_subtype_id
        LEFT JOIN mail_message_subtype on_lead
               ON on_lead.id = CASE WHEN own.res_model = 'crm.team' AND own.relation_field = 'team_id'
                                    THEN own.parent_id ELSE own.id END
              AND coalesce(on_lead.res_model, 'crm.lead') = 'crm.lead'
              AND NOT (coalesce(on_lead.internal, false) AND coalesce(p.partner_share, false))
        WHERE f.res_model = 'crm.team' AND f.res_id = %s
        GROUP BY f.id
        ORDER BY f.id
        """,
        [team_id],
    )
    return {partner_id: set(subtype_ids) for partner_id, subtype_ids in rows}


def _active_partner(conn: Connection, user_id: int | None) -> int | None:
    row = conn.execute("SELECT partner_id FROM res_users WHERE id = %s AND active", [user_id]).fetchone()
    return row[0] if row else None


def _insert(conn: Connection, followers: dict[int, set[int]], lead_ids: Sequence[int]) -> None:
    """Ids ascend as in Odoo: the first partner's on all leads, then the others' lead by lead."""
    followed = [(partner, subtype) for partner, subtypes in followers.items() for subtype in sorted(subtypes)]
    conn.execute(
        """
        WITH followers AS (
            INSERT INTO mail_followers (res_model, res_id, partner_id)
            SELECT 'crm.lead', lead_id, partner_id
            FROM unnest(%(leads)s::int[]) WITH ORDINALITY AS l (lead_id, lead_position)
            CROSS JOIN unnest(%(partners)s::int[]) WITH ORDINALITY AS p (partner_id, partner_position)
            ORDER BY partner_position > 1, lead_position, partner_position
            RETURNING id, partner_id
        )
        INSERT INTO mail_followers_mail_message_subtype_rel (mail_followers_id, mail_message_subtype_id)
        SELECT followers.id, followed.subtype_id
        FROM followers
        JOIN unnest(%(followed)s::int[], %(subtypes)s::int[]) AS followed (partner_id, subtype_id) USING (partner_id)
        """,
        {
            "leads": list(lead_ids),
            "partners": list(followers),
            "followed": [partner for partner, _ in followed],
            "subtypes": [subtype for _, subtype in followed],
        },
    )
