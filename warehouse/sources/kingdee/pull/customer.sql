SELECT
    customer.FNUMBER AS FNumber,
    name.FNAME AS FName,
    own.FNAME AS "FCorrespondOrgId.FName",
    customer.FFORBIDSTATUS AS FForbidStatus,
    customer.FCREATEDATE AS FCreateDate
FROM T_BD_CUSTOMER AS customer
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = customer.FUSEORGID
LEFT JOIN T_BD_CUSTOMER_L AS name ON name.FCUSTID = customer.FCUSTID AND name.FLOCALEID = 2052
LEFT JOIN T_ORG_ORGANIZATIONS_L AS own ON own.FORGID = customer.FCORRESPONDORGID AND own.FLOCALEID = 2052
WHERE organization.FNUMBER = :company
