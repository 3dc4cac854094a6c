"""What is read from and written to the CRM database: an Odoo 17, or the embedded CRM in its shape."""
