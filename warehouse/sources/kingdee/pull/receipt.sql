-- Receipts (收款单) of the organization that were changed since.
SELECT
    bill.FBILLNO AS FBillNo,
    bill_type.FNAME AS "FBillTypeID.FName",
    bill.FDATE,
    bill.FDOCUMENTSTATUS AS FDocumentStatus,
    bill.FCANCELSTATUS AS FCancelStatus,
    customer.FNUMBER AS "FCONTACTUNIT.FNumber",
    currency.FNAME AS "FCURRENCYID.FName",
    local_currency.FNAME AS "FMAINBOOKCUR.FName",
    bill.FREALRECAMOUNTFOR,
    bill.FREALRECAMOUNT,
    bill.FMODIFYDATE
FROM T_AR_RECEIVEBILL AS bill
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
JOIN T_BD_CUSTOMER AS customer ON customer.FCUSTID = bill.FCONTACTUNIT
LEFT JOIN T_BAS_BILLTYPE_L AS bill_type ON bill_type.FBILLTYPEID = bill.FBILLTYPEID AND bill_type.FLOCALEID = 2052
LEFT JOIN T_BD_CURRENCY_L AS currency ON currency.FCURRENCYID = bill.FCURRENCYID AND currency.FLOCALEID = 2052
LEFT JOIN T_BD_CURRENCY_L AS local_currency
    ON local_currency.FCURRENCYID = bill.FMAINBOOKCUR AND local_currency.FLOCALEID = 2052
WHERE organization.FNUMBER = :company AND (bill.FMODIFYDATE >= :since OR bill.FMODIFYDATE IS NULL)
