-- Whole documents (应收单) of the organization that were changed since.
SELECT
    bill.FBILLNO AS FBillNo,
    bill.FDATE,
    bill.FENDDATE AS FENDDATE_H,
    bill.FDOCUMENTSTATUS AS FDocumentStatus,
    bill.FCANCELSTATUS AS FCancelStatus,
    bill.FISINIT,
    customer.FNUMBER AS "FCUSTOMERID.FNumber",
    currency.FNAME AS "FCURRENCYID.FName",
    local_currency.FNAME AS "FMAINBOOKSTDCURRID.FName",
    CAST(entry.FSEQ AS varchar(20)) AS FEntityDetail_FSeq,
    material.FNUMBER AS "FMATERIALID.FNumber",
    unit.FNAME AS "FPRICEUNITID.FName",
    entry.FPRICEQTY AS FPriceQty,
    entry.FNOTAXAMOUNTFOR AS FNoTaxAmountFor_D,
    entry.FTAXAMOUNTFOR AS FTAXAMOUNTFOR_D,
    entry.FALLAMOUNTFOR AS FALLAMOUNTFOR_D,
    entry.FNOTAXAMOUNT AS FNOTAXAMOUNT_D,
    entry.FALLAMOUNT AS FALLAMOUNT_D,
    bill.FMODIFYDATE
FROM T_AR_RECEIVABLE AS bill
JOIN T_AR_RECEIVABLEENTRY AS entry ON entry.FID = bill.FID
JOIN T_AR_RECEIVABLEFIN AS finance ON finance.FID = bill.FID
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
LEFT JOIN T_BD_CUSTOMER AS customer ON customer.FCUSTID = bill.FCUSTOMERID
LEFT JOIN T_BD_MATERIAL AS material ON material.FMATERIALID = entry.FMATERIALID
LEFT JOIN T_BD_UNIT_L AS unit ON unit.FUNITID = entry.FPRICEUNITID AND unit.FLOCALEID = 2052
LEFT JOIN T_BD_CURRENCY_L AS currency ON currency.FCURRENCYID = bill.FCURRENCYID AND currency.FLOCALEID = 2052
LEFT JOIN T_BD_CURRENCY_L AS local_currency
    ON local_currency.FCURRENCYID = finance.FMAINBOOKSTDCURRID AND local_currency.FLOCALEID = 2052
WHERE organization.FNUMBER = :company AND (bill.FMODIFYDATE >= :since OR bill.FMODIFYDATE IS NULL)
