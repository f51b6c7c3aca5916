SELECT
    cCusCode, cCusName, cDCCode, cTrade, cCusHeadCode, bCusOverseas, bCredit,
    CAST(iCusCreLine AS decimal(18, 4)) AS iCusCreLine,
    iCusCreDate, dCusDevDate, dEndDate
FROM Customer
