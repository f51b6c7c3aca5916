-- Every document of the customer ledger that counts: what is not among them was deleted, voided or unlocked.
SELECT bill.FBILLNO AS item_id
FROM T_AR_RECEIVABLE AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
WHERE organization.FNUMBER = :company AND bill.FDOCUMENTSTATUS = 'C' AND bill.FCANCELSTATUS <> 'B'
UNION ALL
SELECT bill.FBILLNO
FROM T_AR_RECEIVEBILL AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
WHERE organization.FNUMBER = :company AND bill.FDOCUMENTSTATUS = 'C' AND bill.FCANCELSTATUS <> 'B'
UNION ALL
SELECT bill.FBILLNO
FROM T_AR_REFUNDBILL AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
WHERE organization.FNUMBER = :company AND bill.FDOCUMENTSTATUS = 'C' AND bill.FCANCELSTATUS <> 'B'
UNION ALL
SELECT bill.FBILLNO
FROM T_AR_OTHERRECABLE AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
WHERE organization.FNUMBER = :company AND bill.FDOCUMENTSTATUS = 'C' AND bill.FCANCELSTATUS <> 'B'
