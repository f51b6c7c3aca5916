-- All of it: 取消核销 takes entries away.
SELECT
    Auto_ID, cVouchType, cVouchID, dRegDate, dGatheringDate, cDwCode, cexch_name,
    CAST(iDAmount_f AS decimal(18, 4)) AS iDAmount_f,
    CAST(iCAmount_f AS decimal(18, 4)) AS iCAmount_f,
    CAST(iDAmount AS decimal(18, 4)) AS iDAmount,
    CAST(iCAmount AS decimal(18, 4)) AS iCAmount,
    cProcStyle, cCoVouchType, cCoVouchID, iFlag
FROM Ar_Detail
WHERE cFlag = 'AR'
