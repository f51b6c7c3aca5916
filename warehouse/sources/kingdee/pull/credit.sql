-- 信用档案 of customers. It is read with every batch: a batch of customers without it would take their limits away.
SELECT
    customer.FNUMBER AS "FOBJECTID.FNumber",
    currency.FNAME AS "FCURRENCYID.FName",
    archive.FCREDITAMOUNT
FROM T_CRE_CUSTARCHIVES AS archive
JOIN T_BD_CUSTOMER AS customer ON customer.FCUSTID = archive.FOBJECTID
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = archive.FORGID
LEFT JOIN T_BD_CURRENCY_L AS currency ON currency.FCURRENCYID = archive.FCURRENCYID AND currency.FLOCALEID = 2052
WHERE organization.FNUMBER = :company
