SELECT id, name FROM uom_uom
