SELECT
    inventory.cInvCode, inventory.cInvName, inventory.cInvCCode, unit.cComUnitName,
    CAST(inventory.iInvRCost AS decimal(18, 6)) AS iInvRCost,
    inventory.dEDate
FROM Inventory AS inventory
LEFT JOIN ComputationUnit AS unit ON unit.cComUnitCode = inventory.cComUnitCode
