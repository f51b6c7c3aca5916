-- Receivables that bill no goods (其他应收单) of the organization's customers that were changed since.
SELECT
    bill.FBILLNO AS FBillNo,
    bill.FDATE,
    bill.FENDDATE,
    bill.FDOCUMENTSTATUS AS FDocumentStatus,
    bill.FCANCELSTATUS AS FCancelStatus,
    customer.FNUMBER AS "FCONTACTUNIT.FNumber",
    currency.FNAME AS "FCURRENCYID.FName",
    local_currency.FNAME AS "FMAINBOOKSTDCURRID.FName",
    bill.FAMOUNTFOR,
    bill.FAMOUNT,
    bill.FMODIFYDATE
FROM T_AR_OTHERRECABLE AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
JOIN T_BD_CUSTOMER AS customer ON customer.FCUSTID = bill.FCONTACTUNIT
LEFT JOIN T_BD_CURRENCY_L AS currency ON currency.FCURRENCYID = bill.FCURRENCYID AND currency.FLOCALEID = 2052
LEFT JOIN T_BD_CURRENCY_L AS local_currency
    ON local_currency.FCURRENCYID = bill.FMAINBOOKSTDCURRID AND local_currency.FLOCALEID = 2052
WHERE organization.FNUMBER = :company AND bill.FCONTACTUNITTYPE = 'BD_Customer'
  AND (bill.FMODIFYDATE >= :since OR bill.FMODIFYDATE IS NULL)
