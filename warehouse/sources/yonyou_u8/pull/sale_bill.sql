-- Whole invoices that were made, changed or reviewed since. U8 does not stamp voiding, so what is voided is read each time.
SELECT
    bill.cVouchType, bill.cSBVCode, bill.dDate, bill.cCusCode, bill.cexch_name, bill.cChecker, bill.cInvalider, bill.bFirst,
    bill.cPersonCode, line.AutoID, line.cInvCode, unit.cComUnitName,
    CAST(line.iQuantity AS decimal(18, 6)) AS iQuantity,
    CAST(line.iMoney AS decimal(18, 4)) AS iMoney,
    CAST(line.iTax AS decimal(18, 4)) AS iTax,
    CAST(line.iSum AS decimal(18, 4)) AS iSum,
    CAST(line.iNatMoney AS decimal(18, 4)) AS iNatMoney,
    written.changed
FROM SaleBillVouch AS bill
JOIN SaleBillVouchs AS line ON line.SBVID = bill.SBVID
LEFT JOIN Inventory AS inventory ON inventory.cInvCode = line.cInvCode
LEFT JOIN ComputationUnit AS unit ON unit.cComUnitCode = inventory.cComUnitCode
CROSS APPLY (
    SELECT max(stamp) AS changed
    FROM (VALUES (bill.dcreatesystime), (bill.dmodifysystime), (bill.dverifysystime)) AS stamps (stamp)
) AS written
WHERE written.changed >= :since OR written.changed IS NULL OR bill.cInvalider IS NOT NULL
